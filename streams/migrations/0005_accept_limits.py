"""Limits on what a server process takes; an installation that has limits gets the new ones too."""

from django.db import migrations, models

NEW = {
    ('process', 'accepts'): '2000/1s burst 4000',
    ('address', 'accepts'): '200/1s burst 400',
    ('process', 'sockets'): '50000',
    ('address', 'sockets'): '1000',
}


def add(apps, schema_editor):
    limits = apps.get_model('streams', 'RateLimit').objects
    if not limits.exists():
        return  # The first run stores all defaults.
    for (scope, resource), rate in NEW.items():
        limits.get_or_create(scope=scope, resource=resource, defaults={'rate': rate})


class Migration(migrations.Migration):

    dependencies = [
        ('streams', '0004_token_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ratelimit',
            name='rate',
            field=models.CharField(help_text='Such as 20/10s or 600/1m burst 50; open_connections and sockets take a number.', max_length=40),
        ),
        migrations.AlterField(
            model_name='ratelimit',
            name='resource',
            field=models.CharField(choices=[('messages', 'Messages'), ('work', 'Work'), ('connections', 'Connections'), ('open_connections', 'Open Connections'), ('generations', 'Generations'), ('tokens', 'Tokens'), ('accepts', 'Accepts'), ('sockets', 'Sockets')], max_length=16),
        ),
        migrations.AlterField(
            model_name='ratelimit',
            name='scope',
            field=models.CharField(choices=[('site', 'Site'), ('stream', 'Stream'), ('user', 'User'), ('session', 'Session'), ('address', 'Address'), ('api_key', 'Api Key'), ('process', 'Process')], max_length=8),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
