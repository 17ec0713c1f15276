"""A history holds at least one frame for at least a second; rows that say less count as that."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('streams', '0005_accept_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='stream',
            name='history_frames',
            field=models.PositiveIntegerField(default=2000, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='stream',
            name='history_s',
            field=models.PositiveIntegerField(default=600, validators=[django.core.validators.MinValueValidator(1)]),
        ),
    ]
