"""Caps on answers that wait or are written; an installation that has limits gets the one on those
that wait."""

from django.db import migrations, models

NEW = {('all', 'waiting_generations'): '256'}


def add(apps, schema_editor):
    limits = apps.get_model('streams', 'RateLimit').objects
    if not limits.exists():
        return  # The first run stores all defaults.
    for (scope, resource), rate in NEW.items():
        limits.get_or_create(scope=scope, resource=resource, defaults={'rate': rate})


class Migration(migrations.Migration):

    dependencies = [
        ('streams', '0007_sign_in_limits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ratelimit',
            name='rate',
            field=models.CharField(help_text='Such as 20/10s or 600/1m burst 50; a number alone for what is open or waits.', max_length=40),
        ),
        migrations.AlterField(
            model_name='ratelimit',
            name='resource',
            field=models.CharField(choices=[('messages', 'Messages'), ('work', 'Work'), ('connections', 'Connections'), ('open_connections', 'Open Connections'), ('generations', 'Generations'), ('open_generations', 'Open Generations'), ('waiting_generations', 'Waiting Generations'), ('tokens', 'Tokens'), ('accepts', 'Accepts'), ('sockets', 'Sockets'), ('sign_ins', 'Sign Ins')], max_length=20),
        ),
        migrations.AlterField(
            model_name='ratelimit',
            name='scope',
            field=models.CharField(choices=[('site', 'Site'), ('stream', 'Stream'), ('user', 'User'), ('session', 'Session'), ('address', 'Address'), ('api_key', 'Api Key'), ('process', 'Process'), ('all', 'All')], max_length=8),
        ),
        migrations.RunPython(add, migrations.RunPython.noop),
    ]
