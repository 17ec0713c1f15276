"""What the product itself last wrote into a policy; empty for those that operators made."""

import hashlib
import json

from django.db import migrations, models

FAIL_MODE = 'hold'
RULES = [
    ['threats', 'moderation', 'threat', 0.93, 'block', 'everybody', True],
    ['possible-threats', 'moderation', 'threat', 0.73, 'hold', 'everybody', True],
    ['child-safety', 'moderation', 'sexual_minors', 0.76, 'block', 'everybody', True],
    ['hate', 'moderation', 'identity_attack', 0.86, 'block', 'everybody', True],
    ['violent-hate', 'moderation', 'hate_threatening', 0.63, 'block', 'everybody', True],
    ['possible-hate', 'moderation', 'identity_attack', 0.77, 'hold', 'everybody', True],
    ['severe-abuse', 'moderation', 'severe_toxicity', 0.51, 'block', 'everybody', True],
    ['insults', 'moderation', 'insult', 0.84, 'hold', 'everybody', True],
    ['toxic', 'moderation', 'toxicity', 0.95, 'hold', 'everybody', True],
    ['sexual', 'moderation', 'sexual', 0.97, 'hold', 'everybody', True],
    ['self-harm', 'moderation', 'self_harm', 0.91, 'hold', 'everybody', True],
    ['self-harm-advice', 'moderation', 'self_harm_instructions', 0.79, 'block', 'everybody', True],
    ['violence', 'moderation', 'violence', 0.81, 'hold', 'everybody', True],
    ['illicit', 'moderation', 'illicit', 0.83, 'hold', 'people', True],
    ['illicit-answers', 'moderation', 'illicit', 0.85, 'hold', 'assistants', True],
    ['spam', 'moderation', 'spam', 0.5, 'hold', 'people', True],
    ['harm', 'moderation', 'harm', 0.89, 'hold', 'everybody', True],
    ['possible-harm', 'moderation', 'harm', 0.67, 'flag', 'everybody', True],
]
"""What was shipped until now, for guard-mini 1.5.0, in its order."""
FIELDS = ('name', 'plugin', 'label', 'threshold', 'action', 'judges', 'enabled')


def recognise(apps, schema_editor):
    """A default policy that nobody has changed is known as shipped, and follows from now on."""
    policies = apps.get_model('policy', 'PolicyRecord').objects
    content = json.dumps([FAIL_MODE, RULES], separators=(',', ':'))
    digest = hashlib.sha256(content.encode()).hexdigest()
    for policy in policies.filter(name='default', is_default=True, fail_mode=FAIL_MODE):
        rules = policy.rules.order_by('pk').values_list(*FIELDS)
        if [list(rule) for rule in rules] == RULES:
            policies.filter(pk=policy.pk).update(shipped_digest=digest)


class Migration(migrations.Migration):

    dependencies = [
        ('policy', '0004_rules_judge_some'),
    ]

    operations = [
        migrations.AddField(
            model_name='policyrecord',
            name='shipped_digest',
            field=models.CharField(blank=True, default='', editable=False, help_text='What the product itself last wrote here; empty if it never did.', max_length=64),
        ),
        migrations.RunPython(recognise, migrations.RunPython.noop),
    ]
