"""Assistants have a top_p; those there are keep to all words."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generation', '0002_assistantrecord_wait_s'),
    ]

    operations = [
        migrations.AddField(
            model_name='assistantrecord',
            name='top_p',
            field=models.FloatField(default=1.0, help_text='Of the likeliest words, so large a share is drawn from; 1 for all.', validators=[django.core.validators.MinValueValidator(0.01), django.core.validators.MaxValueValidator(1)], verbose_name='top-p'),
        ),
    ]
