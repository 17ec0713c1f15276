"""Whose texts a rule judges; in a default policy that nobody has changed, spam is people's."""

from django.db import migrations, models
from django.db.models import F


def spare_assistants(apps, schema_editor):
    """Every change raises a policy's version: the first run leaves 1, and 1 for each rule."""
    policies = apps.get_model('policy', 'PolicyRecord').objects
    for policy in policies.filter(name='default', is_default=True):
        if policy.version != 1 + policy.rules.count():
            continue
        spam = policy.rules.filter(name='spam', plugin='moderation', label='spam')
        if spam.update(judges='people'):
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
