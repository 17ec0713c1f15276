"""Whose texts a rule judges; a default policy that nobody has changed spares assistants."""

from django.db import migrations, models
from django.db.models import F


def spare_assistants(apps, schema_editor):
    """Every change raises a policy's version: the first run leaves 1, and 1 for each rule."""
    policies = apps.get_model('policy', 'PolicyRecord').objects
    for policy in policies.filter(name='default', is_default=True):
        if policy.version != 1 + policy.rules.count():
            continue
        rules = policy.rules.filter(plugin='moderation', threshold=0.8, judges='everybody')
        spam = rules.filter(name='spam', label='spam').update(judges='people')
        illicit = rules.filter(name='illicit', label='illicit').update(judges='people')
        if illicit:
            answers = policy.rules.model(
                policy=policy,
                name='illicit-answers',
                plugin='moderation',
                label='illicit',
                threshold=0.85,
                action='hold',
                judges='assistants',
            )
            policy.rules.bulk_create([answers])
        if spam or illicit:
            policies.filter(pk=policy.pk).update(version=F('version') + 1)


class Migration(migrations.Migration):

    dependencies = [
        ('policy', '0003_author_kind'),
    ]

    operations = [
        migrations.AddField(
            model_name='rulerecord',
            name='judges',
            field=models.CharField(choices=[('everybody', 'everybody'), ('people', 'people'), ('assistants', 'assistants')], default='everybody', help_text="Whose texts it judges; people are users and a site's own programs.", max_length=10),
        ),
        migrations.RunPython(spare_assistants, migrations.RunPython.noop),
    ]
