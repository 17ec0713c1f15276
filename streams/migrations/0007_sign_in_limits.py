"""A limit on attempts to sign in; an installation that has limits gets the new one too."""

from django.db import migrations, models


def add(apps, schema_editor):
    limits = apps.get_model('streams', 'RateLimit').objects
    if not limits.exists():
        return  # The first run stores all defaults.
    limits.get_or_create(
        scope='address', resource='sign_ins', defaults={'rate': '10/1m burst 20'}
    )


class Migration(migrations.Migration):

    dependencies = [
        ('streams', '0006_history_at_least_one'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ratelimit',
            name='resource',
            field=models.CharField(choices=[('messages', 'Messages'), ('work', 'Work'), ('connections', 'Connections'), ('open_connections', 'Open Connections'), ('generations', 'Generations'), ('tokens', 'Tokens'), ('accepts', 'Accepts'), ('sockets', 'Sockets'), ('sign_ins', 'Sign Ins')], max_length=16),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
