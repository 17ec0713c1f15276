"""How long an answer may wait is the assistant's to say; those there are keep to 30 seconds."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generation', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='assistantrecord',
            name='wait_s',
            field=models.PositiveIntegerField(default=30, help_text='So many seconds an answer may wait for a worker.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(600)], verbose_name='wait (seconds)'),
        ),
    ]
