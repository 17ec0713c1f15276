"""A site's page in the admin, however many streams the site has."""

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from streams import keys
from streams.models import Site, Stream
from tests.test_admin import form_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
PAGE = "/admin/streams/site/shop/change/"
LIST = "/admin/streams/stream/?site__slug__exact=shop"
ADD = "/admin/streams/stream/add/?site=shop"


@pytest.fixture
def site(valkey: redis.Redis) -> Site:
    return Site.objects.create(slug="shop", name="Shop", public_key="pk_shop")


def add_streams(site: Site, count: int) -> None:
    Stream.objects.bulk_create(Stream(site=site, name=f"room-{at}") for at in range(count))


def queries(client: Client) -> int:
    client.get(PAGE)  # What Django keeps from then on is not counted.
    with CaptureQueriesContext(connection) as asked:
        client.get(PAGE)
    return len(asked.captured_queries)


def test_a_site_with_many_streams_is_saved(admin_client: Client, site: Site) -> None:
    add_streams(site, 200)
    sent = form_of(admin_client.get(PAGE), name="Shops")

    assert admin_client.post(PAGE, sent).status_code == 302
    site.refresh_from_db()
    assert site.name == "Shops"
    assert site.streams.count() == 200


def test_a_stream_more_costs_the_page_no_query(admin_client: Client, site: Site) -> None:
    before = queries(admin_client)
    add_streams(site, 5)

    assert queries(admin_client) == before


def test_the_page_leads_to_the_sites_own_streams(admin_client: Client, site: Site) -> None:
    other = Site.objects.create(slug="blog", name="Blog", public_key="pk_blog")
    add_streams(site, 2)
    Stream.objects.create(site=other, name="elsewhere")
    page = admin_client.get(PAGE).content.decode()

    assert f'<a href="{LIST}">2 in all</a>' in page
    found = admin_client.get(LIST).content.decode()
    assert "room-1" in found
    assert "elsewhere" not in found


def test_a_stream_is_added_to_the_site_of_the_page(admin_client: Client, site: Site) -> None:
    assert f'<a href="{ADD}">Add a stream</a>' in admin_client.get(PAGE).content.decode()

    sent = form_of(admin_client.get(ADD), name="lobby")
    assert sent["site"] == "shop"
    assert admin_client.post(ADD, sent).status_code == 302
    assert Stream.objects.get(site=site).name == "lobby"


def test_a_stream_that_was_changed_is_saved(admin_client: Client, site: Site) -> None:
    path = f"/admin/streams/stream/{Stream.objects.create(site=site, name='lobby').pk}/change/"
    sent = form_of(admin_client.get(path), deadline_ms=500)
    assert admin_client.post(path, sent).status_code == 302
    assert Stream.objects.get().deadline_ms == 500
    assert keys.sessions("shop")


def test_a_new_site_has_no_streams_to_lead_to(admin_client: Client, site: Site) -> None:
    page = admin_client.get("/admin/streams/site/add/").content.decode()

    assert "/admin/streams/stream/?" not in page
    assert "/admin/streams/stream/add/?" not in page


def test_links_are_for_those_who_may_follow_them(client: Client, site: Site) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="change_site"))
    client.force_login(clerk)
    assert "/admin/streams/stream/" not in client.get(PAGE).content.decode()

    clerk.user_permissions.add(Permission.objects.get(codename="view_stream"))
    page = client.get(PAGE).content.decode()
    assert LIST in page
    assert ADD not in page
