"""Whether a person, an assistant or a program wrote a message."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policy', '0002_highlights'),
    ]

    operations = [
        migrations.AddField(
            model_name='verdictrecord',
            name='author_kind',
            field=models.CharField(default='user', help_text='user, assistant or service', max_length=9),
        ),
    ]
