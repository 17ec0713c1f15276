"""Limits on the work that messages cost; an installation that has limits gets the new ones too."""

from django.db import migrations, models

NEW = {'user': '6000/1m burst 12000', 'address': '60000/1m burst 60000'}


def add(apps, schema_editor):
    limits = apps.get_model('streams', 'RateLimit').objects
    if not limits.exists():
        return  # The first run stores all defaults.
    for scope, rate in NEW.items():
        limits.get_or_create(scope=scope, resource='work', defaults={'rate': rate})


class Migration(migrations.Migration):

    dependencies = [
        ('streams', '0002_assistants'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ratelimit',
            name='resource',
            field=models.CharField(choices=[('messages', 'Messages'), ('work', 'Work'), ('connections', 'Connections'), ('open_connections', 'Open Connections'), ('generations', 'Generations')], max_length=16),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
