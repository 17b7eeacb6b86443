"""A second Asterisk that plays subscribers: what one does depends on the last two digits of the number dialled.

01 echoes   02 busy   03 rings for ever   04 sends keys, echoes   05 hangs up after 0.5 s   06 does not exist
07 declines   08 progress without ringing   09 answers in a second, a tone
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.voice.install import Asterisk
from channels.voice.modules import IF_THERE, NEEDED, there
from channels.voice.render import Rendered, lay_out
from channels.voice.supervise import Supervised, running

EXTENSIONS = r"""
[globals]
CALLER=89005550001
[subscribers]
exten => _X!,1,Goto(${EXTEN:-2},1)
exten => 01,1,Answer()
 same => n,Echo()
exten => 02,1,Hangup(17)
exten => 03,1,Ringing()
 same => n,Wait(60)
exten => 04,1,Answer()
 same => n,Wait(0.4)
 same => n,SendDTMF(5#1)
 same => n,Echo()
exten => 05,1,Answer()
 same => n,Wait(0.5)
 same => n,Hangup(16)
exten => 06,1,Hangup(1)
exten => 07,1,Hangup(21)
exten => 08,1,Progress()
 same => n,Wait(60)
exten => 09,1,Ringing()
 same => n,Wait(1)
 same => n,Answer()
 same => n,Playtones(425)
 same => n,Wait(60)
exten => 10,1,Answer()
 same => n,Wait(1.5)
 same => n,Hangup(16)
; Somebody calls us: `channel originate Local/call@subscribers/n extension caller@subscribers`.
exten => call,1,Set(CALLERID(num)=${CALLER})
 same => n,Set(CALLERID(name)=Eve\; "${CALLER}" Action: Hangup)
 same => n,Dial(PJSIP/74950000001@dozvon,20,g)
 same => n,Log(NOTICE,came to ${DIALSTATUS}/${HANGUPCAUSE})
exten => caller,1,Answer()
 same => n,Echo()
"""

PJSIP = """
[global]
type=global
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{sip}
[dozvon]
type=endpoint
transport=udp
context=subscribers
aors=dozvon
disallow=all
allow=alaw
direct_media=no
dtmf_mode=rfc4733
media_address=127.0.0.1
from_domain=127.0.0.1
trust_id_inbound=yes
[dozvon]
type=aor
contact=sip:127.0.0.1:{theirs}
[dozvon]
type=identify
endpoint=dozvon
match=127.0.0.1
"""

ASTERISK = """
[directories]
astetcdir => {f.etc}
astmoddir => {a.modules_dir}
astdatadir => {a.data_dir}
astvarlibdir => {f.lib}
astdbdir => {f.lib}
astkeydir => {f.lib}
astagidir => {f.lib}
astspooldir => {f.spool}
astrundir => {f.run}
astlogdir => {f.log}
[options]
nocolor = yes
transmit_silence = yes
documentation_language = en_US
"""


@asynccontextmanager
async def phones(folder: Path, asterisk: Asterisk, *, sip: int, theirs: int) -> AsyncGenerator[Supervised]:
    """The telephone network at 127.0.0.1:`sip`, whose one trunk leads to `theirs`."""
    folders = lay_out(folder)
    modules = there(asterisk, [*NEEDED, "app_echo", "app_senddtmf", "res_clioriginate"], IF_THERE)
    files = {
        "asterisk.conf": ASTERISK.format(f=folders, a=asterisk),
        "modules.conf": "[modules]\nautoload=no\n" + "".join(f"load={module}\n" for module in modules),
        "pjsip.conf": PJSIP.format(sip=sip, theirs=theirs),
        "extensions.conf": EXTENSIONS,
        "rtp.conf": "[general]\nrtpstart=30000\nrtpend=32000\n",
        "indications.conf": "[general]\ncountry=ru\n[ru]\ndescription=Russia\nringcadence=1000,4000\ndial=425\n",
        "logger.conf": "[general]\n[logfiles]\nconsole => notice,warning,error,verbose\n",
    }
    for name, text in files.items():
        (folders.etc / name).write_text(text, "utf-8")
    async with running(asterisk, Rendered(folders, frozenset()), lambda _works, _words: None) as supervised:
        yield supervised


async def call_in(phones: Supervised) -> None:
    """A subscriber calls +74950000001 and echoes."""
    await phones.cli("channel originate Local/call@subscribers/n extension caller@subscribers")


async def outcome(phones: Supervised) -> str:
    """What the caller was told in the end: DIALSTATUS/HANGUPCAUSE."""
    for _ in range(600):
        _, found, rest = phones.folders.output.read_text("utf-8").rpartition("came to ")
        if found:
            return rest.split()[0]
        await asyncio.sleep(0.05)
    raise AssertionError("the caller was never told")
