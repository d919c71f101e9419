"""What a source asked of each site on a day, and of many sites under the same path, in counts.

One row for each source, day and thing; a thing is a site (host name, else address) or a path that
is asked of several sites. Counts are of requests that carry a mark, such as a program that comes
under a picture's name.

What an attacker can do to the features: all marks are his to avoid, each at a price: he must own a
name, dress his requests as a browser's down to the referrer, and serve programs as programs, where
others look for them. Ordinary requests beside them change nothing: marks are only added.
"""

from typing import Any, Final

from labrys.detect.network.flows import (
    FARTHEST_MS,
    RECORD,
    column,
    flag,
    private,
    whole,
    with_samples,
)

DAY_MS: Final = 86_400_000
BIG: Final = 8_000
"""Bytes from which a response can hold a program."""
MANY_SITES: Final = 4
MANY_VISITORS: Final = 5
THING: Final = ("kind", "src", "day", "thing")

PROGRAM: Final = (
    r"x-msdownload|x-msdos-program|x-dosexec|portable-executable|x-executable|x-elf|x-mach-binary|"
    r"x-exe\b|/exe\b|x-winexe|hta\b|x-msi\b"
)
OPAQUE: Final = r"octet-stream|x-download|force-download|^binary/|application/download"
PROGRAM_NAME: Final = r"\.(exe|dll|scr|pif|com|msi|cab|bat|cmd|ps1|vbs|vbe|jse|wsf|hta|jar|apk)$"
PLAIN_NAME: Final = r"\.(gif|jpe?g|png|bmp|ico|svg|css|js|txt|html?|xml|mp3|mp4|woff2?)$"
SCRIPT_NAME: Final = r"\.(php[0-9]?|aspx?|jsp|cgi|pl)$"
PANEL: Final = (
    r"/(gate|panel|tasks?|knock|cmd|command|config|cfg|bots?|loader|stats?|report|logs?|upload|"
    r"submit|check|c2|cc|srv|serv|server|post|in|image|img|file|data)[0-9]*\.(php[0-9]?|aspx?|jsp)$"
)
"""What those who write control panels call the page that takes reports; harmless on its own."""
FLASH: Final = r"x-shockwave-flash|java-archive|silverlight"
FLASH_NAME: Final = r"\.(swf|jar|xap)$"
HIDDEN: Final = r"\.onion(\.|$)|\.tor2web\.|\.bit$|\.i2p(\.|$)"
"""Names outside the public DNS: Tor's through a gateway, Namecoin's, I2P's."""
ECHO: Final = (
    r"(^|\.)(ipify\.org|ipinfo\.io|ip-api\.com|icanhazip\.com|ifconfig\.(me|co)|ipecho\.net|"
    r"checkip\.(dyndns\.(org|com)|amazonaws\.com)|myexternalip\.com|whatismyip(address)?\.com|"
    r"wtfismyip\.com|ident\.me|myip\.(com|ru|dnsomatic\.com)|ip\.(anysrc\.net|sb|42\.pl)|"
    r"freegeoip\.(net|app)|iplogger\.(org|com)|geoplugin\.net|dnsomatic\.com|curlmyip\.(com|net)|"
    r"ipapi\.co|api\.myip\.com|trackip\.net|ip-addr\.es|showip\.net|l2\.io|extreme-ip-lookup\.com)$"
)
"""Services that tell who asks his own address."""
TOOLS: Final = (
    r"winhttp|wininet|urlmon|powershell|certutil|autoit|indy lib|synapse|nsis|inetload|delphi|"
    r"vb project|mshta|wscript|msxml"
)
"""What scripts and quickly made programs send unless told otherwise."""
LIBRARIES: Final = (
    r"python|curl|wget|libwww|go-http|java/|okhttp|axios|ruby|perl|node-fetch|aiohttp"
)
OLD: Final = r"msie [2-8]\.|^mozilla/[1-4]\.|windows nt 5|^mozilla/5\.0$|^mozilla$"
"""Agents that call themselves a browser of long ago, or only half of one."""
BROKEN: Final = r"^[\"'<{\\$]|^mozilla/(5\.[1-9]|[6-9])|^(http|user-agent:)|[^ -~]"
"""Agents that no browser and no library sends: quoted, numbered wrongly, or not text."""
OFFICE: Final = r"microsoft office|webdav-miniredir|ms-office|; office"
ADDRESS: Final = r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(:[0-9]+)?$"
METHOD: Final = r"^[A-Za-z_-]{2,24}$"
UPDATES: Final = r"ocsp|\.crl$|^/generate_204|pkix-"
"""Certificates are asked about by POST and GET without a referrer; so are networks."""
PORTS: Final = (80, 443, 8080, 3128, 8000, 8008, 8888)
ABUSED: Final = (
    r"\.(top|xyz|bid|download|trade|win|loan|click|work|gq|cf|tk|ml|ga|pw|club|online|site|space|icu|"
    r"cyou|rest|buzz|su|cc|ws|stream|men|date|racing|review|party|science|faith|cricket|accountant|"
    r"webcam|link|info|biz|fun|monster|quest|cfd|sbs|bond|ru)(:[0-9]+)?$"
)
"""Top-level domains that abuse statistics name again and again; weighs little."""

MARKS: Final = (
    *("masked", "program_page", "program_bare", "named_program", "opaque_page", "opaque_post"),
    *("program_root", "opaque_script", "blob", "flash", "office", "garbage", "hidden", "echo"),
    *(
        "post",
        "post_page",
        "post_panel",
        "post_root",
        "post_mute",
        "post_failed",
        "post_bare",
        "post_odd",
    ),
    *(
        "old",
        "broken",
        "agentless",
        "product",
        "tool",
        "library",
        "dropper",
        "query",
        "odd_port",
        "abused",
        "bare",
    ),
)
STRONG: Final = (*MARKS[:15], "post_bare", "broken")
"""What is told only with one of these; the other marks only say more of it."""


def features(events: Any) -> Any:
    """The view `http_activity` → a row for each sample record of each source, day and thing.

    `requests`, `sites`, `paths`, `agents` count what differs; `first`, `last` (ms); `dst`; the names
    of `MARKS` count requests with a mark.
    """
    asked = _marked(_asked(events))
    rows = _things(asked)
    made = rows.group_by(*THING).aggregate(
        requests=rows.count(),
        sites=rows.site.nunique(),
        paths=rows.page.nunique(),
        agents=rows.agent.nunique(),
        some_agent=rows.agent.max(),
        some_page=rows.page.min(),
        first=rows._time.min(),
        last=rows._time.max(),
        dst=rows.dst.min(),
        port=rows.port.max(),
        ordinary=whole(rows.ordinary.sum()),
        mute=whole(rows.mute.sum()),
        **{name: whole(rows[name].sum()) for name in MARKS},
        odd=whole(rows.odd.max()),
    )
    kept = made.filter(made.odd > 0, (made.kind == "site") | (made.sites >= MANY_SITES))
    return with_samples(kept, rows, THING, first="odd").drop("odd")


def _asked(events: Any) -> Any:
    """Requests as text that can be compared; replies whose request was not seen are left out."""
    import ibis

    timed = events.filter(
        events._time >= -FARTHEST_MS,
        events._time <= FARTHEST_MS,
        events.src_endpoint_ip.notnull(),
        events.dst_endpoint_ip.notnull(),
        column(events, "http_request_http_method").notnull(),
    )
    # From outside to inside, it is others who speak.
    ours = timed.filter(private(timed.src_endpoint_ip) | ~private(timed.dst_endpoint_ip))
    # A public address that many strangers ask is a server of ours, not where something calls home.
    strangers = ours.filter(~private(ours.src_endpoint_ip))
    servers = strangers.group_by("dst_endpoint_ip").aggregate(
        visitors=strangers.src_endpoint_ip.nunique()
    )
    ours = ours.anti_join(servers.filter(servers.visitors >= MANY_VISITORS), "dst_endpoint_ip")
    host = ibis.coalesce(column(ours, "http_request_url_hostname"), "").lower()
    path = ibis.coalesce(column(ours, "http_request_url_path"), "").substr(0, 2000)
    return ours.select(
        *RECORD,
        src=ours.src_endpoint_ip.lower(),
        dst=ours.dst_endpoint_ip.lower(),
        port=ibis.coalesce(column(ours, "dst_endpoint_port", "int64"), 0),
        day=(ours._time // DAY_MS).cast("int64"),
        host=host,
        site=(host == "").ifelse(ours.dst_endpoint_ip.lower(), host),
        method=ours.http_request_http_method.substr(0, 60),
        path=path,
        page=path.re_replace(r"[?#;].*$", "").lower().re_replace(r"^https?://[^/]*", ""),
        agent=ibis.coalesce(column(ours, "http_request_user_agent"), "").lower().substr(0, 300),
        mute=flag(ibis.coalesce(column(ours, "http_request_referrer"), "") == ""),
        code=ibis.coalesce(column(ours, "http_response_code", "int64"), 0),
        type=ibis.coalesce(column(ours, "http_response_content_type"), "").lower().substr(0, 200),
        size=ibis.coalesce(
            column(ours, "http_response_length", "int64"),
            column(ours, "traffic_bytes_in", "int64"),
            -1,
        ),
    )


def _marked(rows: Any) -> Any:
    """Each request with its marks, 1 or 0."""
    named = rows.page.re_search
    good, plain = rows.code.isin((200, 206)), rows.path.lower().re_search(PLAIN_NAME)
    program, opaque = rows.type.re_search(PROGRAM) & good, rows.type.re_search(OPAQUE) & good
    mute, post = rows.mute == 1, rows.method.upper() == "POST"
    bare = rows.host.re_search(ADDRESS) & ~private(rows.host)
    ordinary = rows.type.re_search(UPDATES) | rows.host.re_search(r"ocsp") | named(UPDATES)
    report = post & mute & ~ordinary
    # Where a capture was cut, nobody knows the size; a program is one all the same.
    big = (rows.size >= BIG) | (rows.size < 0)
    fetched = (program | opaque) & big
    nameless = ~named(r"\.[a-z0-9]{1,8}$") | named(SCRIPT_NAME)
    picture = rows.path.lower().re_search(r"\.(gif|jpe?g|png|bmp|ico)$")
    browser = rows.agent.startswith("mozilla")
    tool = rows.agent.re_search(TOOLS)
    broken = rows.agent.re_search(BROKEN)
    library = rows.agent.re_search(LIBRARIES)
    office = rows.agent.re_search(OFFICE)
    product = (rows.agent != "") & ~browser & ~tool & ~broken & ~library & ~office
    old = rows.agent.re_search(OLD)
    odd = old | tool | broken | (rows.agent == "")
    html = rows.type.startswith("text/html")
    no_picture = picture & (rows.type != "") & ~rows.type.startswith("image")
    # Sites that have no such picture say so in a page, with a code that says all is well.
    no_picture = no_picture & ((rows.size >= html.ifelse(5 * BIG, BIG)) | (~html & (rows.size < 0)))
    unsaid = (rows.type == "") | rows.type.startswith("text/plain")
    page = html & (rows.agent == "") & named(SCRIPT_NAME)
    masked = (fetched & plain) | (good & no_picture & mute)
    blob = good & (rows.size >= 4 * BIG) & nameless & mute & ~product & ~post & (unsaid | page)
    marks = {
        "masked": masked,
        "program_page": program & big & nameless & ~product,
        "program_bare": fetched & bare & ~product,
        "named_program": good & named(PROGRAM_NAME) & big & mute & ~product,
        "opaque_page": opaque & big & nameless & mute & ~product,
        "opaque_post": opaque & big & post & ~product,
        "program_root": fetched & (rows.page == "/") & ~product,
        "opaque_script": opaque & big & named(SCRIPT_NAME) & mute & ~product,
        "blob": blob,
        "flash": good & rows.type.re_search(FLASH) & ~named(FLASH_NAME),
        "office": office & ~private(rows.dst),
        "garbage": ~rows.method.re_search(METHOD),
        "hidden": rows.host.re_search(HIDDEN),
        "echo": rows.host.re_search(ECHO),
        "post": report,
        "post_page": report & named(SCRIPT_NAME),
        "post_panel": report & named(PANEL),
        "post_root": report & (rows.page == "/"),
        "post_mute": report & (rows.agent == ""),
        "post_failed": report & ((rows.code >= 400) | (rows.code == 0)),
        "post_bare": post & bare & ~ordinary & ~product,
        "post_odd": report & named(SCRIPT_NAME) & odd,
        "old": old,
        "broken": broken,
        "agentless": (rows.agent == "") & ~ordinary,
        "product": product,
        "tool": tool,
        "library": library,
        "dropper": (fetched | masked | blob) & mute & ~post & odd,
        "query": (rows.page.length() <= 1) & (rows.path.length() >= 120),
        "odd_port": ~rows.port.isin(PORTS) & ~private(rows.dst),
        "abused": rows.host.re_search(ABUSED),
        "bare": bare,
    }
    made = rows.mutate(
        **{name: flag(condition) for name, condition in marks.items()}, ordinary=flag(ordinary)
    )
    total = made[STRONG[0]]
    for name in STRONG[1:]:
        total = total + made[name]
    return made.mutate(odd=total)


def _things(asked: Any) -> Any:
    import ibis

    reports = asked.filter((asked.post == 1) | asked.page.re_search(SCRIPT_NAME))
    reports = reports.filter(reports.ordinary == 0)
    sites = asked.mutate(kind=ibis.literal("site"), thing=asked.site)
    return sites.union(
        reports.mutate(kind=ibis.literal("path"), thing=reports.page, odd=reports.odd + 1)
    )
