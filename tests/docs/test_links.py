import re

IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def anchors(path):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    made = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        made.add(plain.replace(" ", "-"))
    return made


def test_pictures_exist_and_have_a_description(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert text.count("![") == len(IMAGE.findall(text))
    for shown, name in IMAGE.findall(text):
        assert (page.parent / name).is_file(), name
        assert len(shown) > 10, name


def test_every_picture_is_shown(pages, root):
    shown = {(page.parent / name).resolve() for page in pages for _, name in IMAGE.findall(page.read_text())}
    there = {path.resolve() for path in (root / "docs" / "images").iterdir() if path.suffix in (".svg", ".png")}
    assert there <= shown


def test_links_between_pages_lead_somewhere(page, links_in):
    for link in links_in(page):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_pages_of_the_site_link_only_within_it(pages, links_in, root):
    for page in pages:
        if page.parent == root / "docs":
            assert not [link for link in links_in(page) if link.startswith("../")], page.name


def test_included_parts_of_examples_exist(page, root):
    found = re.findall(r"```{literalinclude} (\S+)\n(.*?)```", page.read_text(), re.DOTALL)
    for name, options in found:
        text = (page.parent / name).resolve().read_text()
        for marker in re.findall(r':(?:start-after|end-before): "(.+)"', options):
            assert text.count(marker) == 1, (name, marker)


def test_each_example_is_shown_in_a_page(root, pages):
    shown = "".join(page.read_text() for page in pages)
    for example in (root / "dags_examples").glob("*.py"):
        assert f"dags_examples/{example.name}" in shown, example.name


def test_each_page_is_in_the_table_of_contents_and_most_in_the_readme(read, root):
    names = {path.stem for path in (root / "docs").glob("*.md")}
    listed = re.findall(r"^([a-z-]+)$", read("docs/index.md"), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert names - {"index"} <= set(listed)
    for name in names - {"index", "changelog"}:
        assert f"(docs/{name}.md)" in read("README.md")


def test_no_page_leads_to_a_package_registry(page):
    hosts = {host.lower() for host in re.findall(r"https?://([^/\s:`\"')]+)", page.read_text())}
    known = {
        "app.maestroqa.com",
        "app.rippit.com",
        "raw.githubusercontent.com",
        "keepachangelog.com",
        "semver.org",
        "127.0.0.1",
        "myaccount.blob.core.windows.net",
        "myaccount.blob.core.chinacloudapi.cn",
        "helpdesk.example.com",
        "proxy",
        "proxy.example.com",
    }
    assert hosts <= known
