"""pbx.config and pbx.options: what a file may say, and the one sentence for everything else."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.config import Config, Tls, find, load, parse
from pbx.faults import Fault
from pbx.options import Listener

FULL = """\
domains = ["Example.com", "example.net"]

[sip]
listen = ["udp:127.0.0.1:5060", "udp:[::1]:5062"]
realm = "office"
advertise = "pbx.example.com"
local_networks = ["10.0.0.0/8", "fd00::/8"]
drain = 2.5
digest = ["sha-256", "MD5"]
max_head = 1024
max_fields = 32
max_body = 16777216

[registrar]
min_expires = 30
max_expires = 600
default_expires = 300

[database]
url = "sqlite:///../var/pbx.db"

[media]
address = "127.0.0.1"
ports = "20000-20099"
engine = "python"
threads = 2
silence = 30
codecs = ["pcma", "Telephone-Event"]

[dialplan]
file = "/etc/office.py"
reload_on_change = true
tests = "test_office.py"

[voicemail]
folder = "var/messages"
max_messages = 20
smtp = "mail.example.com:587"
smtp_tls = true
sender = "pbx@example.com"

[records]
days = 90

[control]
socket = "run/pbx.sock"

[log]
format = "json"
level = "debug"
"""


def fault(text: str) -> Fault:
    with pytest.raises(Fault) as caught:
        parse(text, "pbx.toml")
    return caught.value


def test_empty_file_gives_the_documented_defaults() -> None:
    config = parse("", "/srv/office/pbx.toml")
    assert config.domains == ()
    assert config.sip.listen == (Listener("UDP", "0.0.0.0", 5060), Listener("TCP", "0.0.0.0", 5060))
    assert (config.sip.max_connections, config.sip.max_per_address) == (5000, 500)
    assert (config.sip.max_calls, config.sip.max_calls_per_address) == (5000, 1500)
    assert (config.sip.max_transactions, config.sip.max_transactions_per_address) == (60000, 20000)
    assert config.tls == Tls(None, None, None, verify_clients=False, verify_servers=True)
    assert (config.sip.realm, config.sip.advertise, config.sip.drain) == ("pbx", "", 30)
    assert (config.sip.max_head, config.sip.max_fields, config.sip.max_body) == (65536, 256, 262144)
    assert config.sip.digest == ("MD5",)
    assert ip_network("192.168.0.0/16") in config.sip.local_networks
    registrar = config.registrar
    assert (registrar.min_expires, registrar.default_expires, registrar.max_expires) == (60, 3600, 7200)
    assert config.database.url == "sqlite:////srv/office/pbx.db"
    assert (config.media.address, config.media.engine) == ("", "auto")
    assert (config.media.threads, config.media.silence) == (0, 10)
    assert (config.media.ports[0], config.media.ports[-1]) == (10000, 19999)
    assert config.media.codecs == ("opus", "G722", "PCMA", "PCMU", "telephone-event")
    assert config.dialplan.file == Path("/srv/office/dialplan.py")
    assert (config.dialplan.reload_on_change, config.dialplan.tests) == (False, None)
    voicemail = config.voicemail
    assert (voicemail.folder, voicemail.number) == (Path("/srv/office/voicemail"), "*97")
    assert (voicemail.max_messages, voicemail.max_seconds, voicemail.silence) == (100, 180, 5)
    assert (voicemail.smtp, voicemail.smtp_tls, voicemail.sender) == (None, False, "")
    assert (config.records.enabled, config.records.days) == (True, 0)
    assert config.control.socket == Path("/srv/office/pbx.sock")
    assert (config.log.format, config.log.level) == ("text", "info")


def test_every_option_is_read() -> None:
    config = parse(FULL, "/srv/office/pbx.toml")
    assert config.domains == ("example.com", "example.net")
    assert config.sip.listen == (Listener("UDP", "127.0.0.1", 5060), Listener("UDP", "::1", 5062))
    assert (config.sip.realm, config.sip.advertise, config.sip.drain) == ("office", "pbx.example.com", 2.5)
    assert (config.sip.max_head, config.sip.max_fields, config.sip.max_body) == (1024, 32, 16777216)
    assert config.sip.digest == ("SHA-256", "MD5")
    assert config.sip.local_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert config.registrar.default_expires == 300
    assert config.database.url == "sqlite:////srv/office/../var/pbx.db"
    assert config.media.ports == range(20000, 20100)
    assert config.media.codecs == ("PCMA", "telephone-event")
    assert config.dialplan.file == Path("/etc/office.py")
    assert (config.dialplan.reload_on_change, config.dialplan.tests) == (True, Path("/srv/office/test_office.py"))
    assert (config.voicemail.folder, config.voicemail.max_messages) == (Path("/srv/office/var/messages"), 20)
    assert (config.voicemail.smtp, config.voicemail.smtp_tls) == (("mail.example.com", 587), True)
    assert (config.records.enabled, config.records.days) == (True, 90)
    assert config.control.socket == Path("/srv/office/run/pbx.sock")
    assert (config.log.format, config.log.level) == ("json", "debug")


def test_tls_files_are_relative_to_the_configuration() -> None:
    text = '[tls]\ncertificate = "cert.pem"\nkey = "/etc/key.pem"\nca = "ca/all.pem"\nverify_clients = true'
    tls = parse(text, "/srv/office/pbx.toml").tls
    assert (tls.certificate, tls.key) == (Path("/srv/office/cert.pem"), Path("/etc/key.pem"))
    assert (tls.ca, tls.verify_clients) == (Path("/srv/office/ca/all.pem"), True)


def test_key_may_stand_beside_its_certificate() -> None:
    tls = parse('[tls]\ncertificate = "both.pem"\nkey = ""', "/srv/office/pbx.toml").tls
    assert tls.key == Path("/srv/office/both.pem")


def test_listeners_are_udp_tcp_and_tls() -> None:
    text = '[sip]\nlisten = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "tls:[::1]:0"]\n[tls]\ncertificate = "c"'
    listen = parse(text, "pbx.toml").sip.listen
    assert [str(listener) for listener in listen] == ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "tls:[::1]:0"]


def test_realm_defaults_to_the_first_domain() -> None:
    assert parse('domains = ["Example.com", "b.org"]', "pbx.toml").sip.realm == "example.com"


def test_paths_are_relative_to_the_file_not_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "pbx.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    config = load("etc/pbx.toml")
    assert config.database.url == f"sqlite:///{tmp_path}/etc/pbx.db"
    assert config.control.socket == tmp_path / "etc" / "pbx.sock"


def test_listener_reads_as_it_is_written() -> None:
    assert str(Listener("UDP", "::1", 5060)) == "udp:[::1]:5060"
    assert str(Listener("UDP", "127.0.0.1", 0)) == "udp:127.0.0.1:0"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('colour = "red"', 1, ["no option or section", "colour", "known here: domains, sip"]),
        ('# a comment\n\n[sip]\n# another\nrelm = "x"', 5, ["relm", "[sip]", "did you mean realm?"]),
        ("[sip]\ndrain = 1\n[media]\ndrain = 1", 4, ["drain", "[media]"]),
        ('[sip]\nlisten = ["ws:0.0.0.0:5060"]', 2, ["ws:0.0.0.0:5060", "or tcp, or tls"]),
        ('[sip]\nlisten = [\n"udp:0.0.0.0:1",\n"tls:[::]:5061"]', 2, ["tls:[::]:5061", "no certificate", "in [tls]"]),
        ('[tls]\nverify_clients = true\ncertificate = "a"', 2, ["nobody can vouch", 'ca = "ca.pem"']),
        ("[tls]\nverify_servers = 1", 2, ["verify_servers is 1", "true or false"]),
        ("[tls]\nkey = 1", 2, ["key is 1", "not a text"]),
        ('[tls]\ncertificat = "a"', 2, ["did you mean certificate?"]),
        ("[sip]\nmax_connections = 0", 2, ["max_connections is 0", "from 1 to"]),
        ('[sip]\nlisten = [\n  "udp:127.0.0.1:5060",\n  "udp:::5060",\n]', 2, ["udp:::5060", "brackets"]),
        ('[sip]\nlisten = ["udp:localhost:5060"]', 2, ["udp:localhost:5060", "IP address"]),
        ('[sip]\nlisten = ["udp:127.0.0.1:65536"]', 2, ["port"]),
        ('[sip]\nlisten = ["udp:127.0.0.1:1", "UDP:127.0.0.1:1"]', 2, ["twice"]),
        ("[sip]\nlisten = []", 2, ["empty"]),
        ('[sip]\nlisten = "udp:127.0.0.1:5060"', 2, ["not a list"]),
        ("sip.listen = [1]", 1, ["1", "not a text", "double quotes"]),
        ('sip = { realm = "a\\"b" }', 1, ["realm", "quotes"]),
        ('[sip]\nadvertise = "pbx.example.com:5060"', 2, ["advertise", "without a port"]),
        ('[sip]\nlocal_networks = ["10.1.2.3/8"]', 2, ["10.1.2.3/8", "not a network"]),
        ("[sip]\ndrain = inf", 2, ["not a number"]),
        ("[sip]\ndrain = true", 2, ["true", "not a number"]),
        ("[sip]\ndrain = -1", 2, ["-1", "from 0 to 86400"]),
        ("[sip]\ndrain = 1" + "0" * 400, 2, ["1000", "from 0 to 86400"]),
        ("[sip]\nmax_head = 1023", 2, ["1023", "from 1024 to 1048576"]),
        ("[sip]\nmax_fields = 1e3", 2, ["1000.0", "whole"]),
        ("[sip]\nmax_body = true", 2, ["true", "whole"]),
        ("[security]\nfailures = 2", 2, ["failures is 2", "from 3 to 1000"]),
        ('[security]\nallow = ["192.0.2.1/24"]', 2, ["192.0.2.1/24", "not a network"]),
        ("[security]\ncalls_per_hour = -1", 2, ["calls_per_hour is -1", "from 0"]),
        ("[records]\ndays = -1", 2, ["days is -1", "from 0 to 36500"]),
        ("[records]\ndays = 36501", 2, ["days is 36501", "from 0 to 36500"]),
        ("[records]\ndays = 0.5", 2, ["0.5", "whole"]),
        ("[records]\nday = 90", 2, ["day", "did you mean days?"]),
        ("[registrar]\nmin_expires = 1.5", 2, ["1.5", "whole"]),
        ("[security]\nlongest_ban = 59", 2, ["ban and longest_ban are 60 and 59", "rising order"]),
        ("[security]\nfailures = 5\nban = 86400\nlongest_ban = 3600", 3, ["86400 and 3600", "rising order"]),
        ("[registrar]\nmax_expires = 100", 2, ["min_expires, default_expires and max_expires are 60, 3600 and 100"]),
        ("[registrar]\nqualify = 30\nmax_expires = 100", 3, ["60, 3600 and 100", "rising order"]),
        ('[database]\nurl = "mysql://joe:secret@host/pbx"', 2, ["no URL that we know", "sqlite:///pbx.db"]),
        ('[database]\nurl = "sqlite:///:memory:"', 2, ["names no file"]),
        ('[media]\nports = "19999-10000"', 2, ["19999-10000", "10000-19999"]),
        ('[media]\nports = "10000-10002"', 2, ["four ports"]),
        ('[media]\nports = "10001-10004"', 2, ["four ports"]),
        ('[media]\ncodecs = ["PMCA"]', 2, ["PMCA", "did you mean PCMA?"]),
        ('[sip]\ndigest = ["SHA256"]', 2, ["SHA256", "did you mean SHA-256?"]),
        ("[sip]\ndigest = []", 2, ["nobody could prove"]),
        ('[media]\ncodecs = ["telephone-event"]', 2, ["no codec for speech"]),
        ('[media]\nrecordings = ""', 2, ["recordings", "name of a file"]),
        ('[dialplan]\ncountry = "+33"', 2, ["country", "no calling code", '"33"']),
        ('[media]\naddress = "eth0"', 2, ["eth0", "not an IP address"]),
        ('[media]\naddress = "0.0.0.0"', 2, ["0.0.0.0", "one of this machine's"]),
        ('[media]\nengine = "asterisk"', 2, ["asterisk", "auto, native, python, rtpengine"]),
        ('[dialplan]\nfile = ""', 2, ["empty"]),
        ('[voicemail]\nsmtp = "localhost"\nsender = "a@b"', 2, ["localhost", "a host and a port"]),
        ('[voicemail]\nsmtp = "localhost:25"', 2, ["no sender", "[voicemail]"]),
        ("[voicemail]\nmax_seconds = 0", 2, ["max_seconds is 0", "from 1 to 3600"]),
        ('[control]\nsocket = "a\\u0000b"', 2, ["control character"]),
        ('[log]\nlevel = "loud"', 2, ["loud", "debug, info, warn"]),
        ("[log]\nlevel = 1979-05-27", 2, ["1979-05-27", "not a text"]),
        ("[[log]]", 1, ["not a section", "[log]"]),
        ('domains = ["a b"]', 1, ["a b", "host name"]),
        ("a = 1\n[sip\n", 2, ["not TOML"]),
        ("[sip]\na = '''\nno end", 3, ["not TOML"]),
        ("a = " + "[" * 5000, 1, ["nested too deeply"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(text: str, line: int, words: list[str]) -> None:
    refusal = fault(text)
    assert refusal.line == line
    assert str(refusal).startswith(f"pbx.toml:{line}: ")
    assert "; " in str(refusal)
    assert len(str(refusal).splitlines()) == 1
    for word in words:
        assert word in str(refusal)


def test_password_in_a_database_url_is_not_shown() -> None:
    assert "secret" not in str(fault('[database]\nurl = "mysql://joe:secret@host/pbx"'))


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(Fault, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "pbx.toml").write_bytes(b"# one\n# two \xff\n")
    with pytest.raises(Fault, match=r"pbx\.toml:2: this is not UTF-8"):
        load(tmp_path / "pbx.toml")


def test_byte_order_mark_is_not_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "pbx.toml").write_bytes(b"\xef\xbb\xbf[sip]\ndrain = 3\n")
    assert load(tmp_path / "pbx.toml").sip.drain == 3


def test_the_place_of_an_option_is_known_after_loading() -> None:
    config = parse(FULL, "pbx.toml")
    assert str(config.fault("sip.listen", "taken", "free it")) == "pbx.toml:4: taken; free it"
    assert parse("[sip]\n", "pbx.toml").fault("sip.listen", "taken", "free it").line == 1
    assert parse("\n\n[sip]\n", "pbx.toml").fault("sip.listen", "taken", "free it").line == 3
    assert parse("\n\n", "pbx.toml").fault("sip.listen", "taken", "free it").line == 1


def test_blaming_gives_a_fault_its_place_once() -> None:
    config = parse(FULL, "pbx.toml")
    with pytest.raises(Fault, match=r"^pbx\.toml:20: gone; restore it$"), config.blaming("database.url"):
        raise Fault("", 0, "gone", "restore it")
    with pytest.raises(Fault, match=r"^plan\.py:7: gone; restore it$"), config.blaming("dialplan.file"):
        raise Fault("plan.py", 7, "gone", "restore it")


def test_configuration_is_looked_for_in_the_contracts_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("a.toml", {"PBX_CONFIG": "b.toml"}) == Path("a.toml")
    assert find(None, {"PBX_CONFIG": "b.toml"}) == Path("b.toml")
    if not os.path.exists("/etc/pbx/pbx.toml"):
        with pytest.raises(Fault, match=r"neither \./pbx\.toml nor /etc/pbx/pbx\.toml; name the file with --config"):
            find("", {"PBX_CONFIG": ""})
    (tmp_path / "pbx.toml").write_text("")
    assert find(None, {}) == Path("pbx.toml")


def test_sample_configuration_says_the_defaults() -> None:
    sample = load(Path(__file__).parents[1] / "etc" / "pbx.toml")
    defaults = parse("", sample.path)
    assert sample.domains == defaults.domains
    for section in ("sip", "tls", "registrar", "database", "media", "dialplan", "control", "log"):
        assert getattr(sample, section) == getattr(defaults, section)


def test_sample_configuration_shows_every_option() -> None:
    text = (Path(__file__).parents[1] / "etc" / "pbx.toml").read_text()
    for section, options in SECTIONS.items():
        assert f"\n[{section}]\n" in text
        for option in options:
            assert f"\n{option} = " in text, option


SECTIONS = {
    "sip": (
        *("listen", "realm", "advertise", "local_networks", "drain", "digest"),
        *("max_head", "max_fields", "max_body"),
    ),
    "registrar": ("min_expires", "max_expires", "default_expires"),
    "database": ("url",),
    "media": ("address", "ports", "engine", "threads", "silence", "codecs", "prompts", "recordings"),
    "dialplan": ("file", "country"),
    "control": ("socket",),
    "log": ("format", "level"),
}

plain = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["udp:127.0.0.1:5060", "1-2", "10000-10010", "sqlite:///x.db", "info", "PCMA", "10.0.0.0/8"]),
)
keys = st.sampled_from(["domains", *SECTIONS, *(option for names in SECTIONS.values() for option in names)])
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


def written(value: object) -> str:
    """Return the value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08X}" for letter in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(written(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {written(item)}' for key, item in value.items())}}}"
    return repr(value)


def refused_or_loaded(text: str) -> None:
    try:
        config = parse(text, "pbx.toml")
    except Fault as refusal:
        assert 1 <= refusal.line <= text.count("\n") + 1
        assert "\n" not in str(refusal)
    else:
        assert isinstance(config, Config)


@given(st.text() | st.text(alphabet="[]{}=.\"'#\n\r\\, ab1u"))
def test_any_text_is_loaded_or_refused(text: str) -> None:
    refused_or_loaded(text)


@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=4) | values, max_size=4))
def test_any_tree_is_loaded_or_refused(tree: dict[str, object]) -> None:
    refused_or_loaded("".join(f"{key} = {written(value)}\n" for key, value in tree.items()))


@given(st.sampled_from([(name, option) for name in SECTIONS for option in SECTIONS[name]]), values)
def test_any_value_of_any_option_is_loaded_or_refused(place: tuple[str, str], value: object) -> None:
    refused_or_loaded(f"[{place[0]}]\n{place[1]} = {written(value)}\n")


@given(st.binary())
def test_any_bytes_are_loaded_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    try:
        load(file)
    except Fault as refusal:
        assert "\n" not in str(refusal)


def test_every_option_is_documented() -> None:
    operating = (Path(__file__).parents[1] / "docs" / "operating.md").read_text()
    for section, options in SECTIONS.items():
        for option in options:
            assert f"| `[{section}] {option}` |" in operating
