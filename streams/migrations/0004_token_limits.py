"""Limits on the tokens of answers; an installation that has limits gets the new ones too."""

from django.db import migrations, models

NEW = {'site': '600000/1m', 'user': '20000/1m'}


def add(apps, schema_editor):
    limits = apps.get_model('streams', 'RateLimit').objects
    if not limits.exists():
        return  # The first run stores all defaults.
    for scope, rate in NEW.items():
        limits.get_or_create(scope=scope, resource='tokens', defaults={'rate': rate})


class Migration(migrations.Migration):

    dependencies = [
        ('streams', '0003_work_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ratelimit',
            name='resource',
            field=models.CharField(choices=[('messages', 'Messages'), ('work', 'Work'), ('connections', 'Connections'), ('open_connections', 'Open Connections'), ('generations', 'Generations'), ('tokens', 'Tokens')], max_length=16),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
