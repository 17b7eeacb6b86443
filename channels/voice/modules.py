"""Which of Asterisk's modules are loaded: only what is used, so that nothing else can be reached."""

from __future__ import annotations

from collections.abc import Iterable

from channels.voice.install import Asterisk, told
from engine.errors import ConfigError

SIP = (
    "res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject",
    "res_rtp_asterisk", "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_caller_id", "res_pjsip_nat",
    "res_pjsip_endpoint_identifier_ip", "res_pjsip_authenticator_digest", "res_pjsip_logger", "chan_pjsip",
    "bridge_simple", "codec_alaw", "codec_ulaw", "codec_resample", "format_wav", "format_sln", "format_pcm",
    "app_playback", "app_verbose", "app_stack", "func_logic", "func_strings", "func_timeout", "func_channel",
    "func_callerid", "func_math", "pbx_config",
)  # fmt: skip
NEEDED = (
    *SIP, "res_pjsip_rfc3326", "res_pjsip_outbound_authenticator_digest", "res_pjsip_outbound_registration",
    "res_pjsip_dtmf_info", "bridge_native_rtp", "app_dial", "app_mixmonitor", "app_playtones", "app_userevent",
    "app_exec", "app_while", "func_hangupcause", "func_cut", "func_global", "func_uri", "func_dialplan", "func_env",
    "res_agi",
)  # fmt: skip
# Not in every version or build; the first three are what others of the list are linked to in some.
IF_THERE = (
    "res_statsd", "res_speech", "res_pjsip_pubsub", "res_pjsip_acl", "res_pjsip_diversion", "res_pjsip_dlg_options",
    "res_pjsip_header_funcs", "res_pjsip_empty_info", "res_format_attr_opus", "codec_a_mu", "codec_g722", "codec_gsm",
    "codec_opus", "codec_opus_open_source", "codec_g729", "format_gsm", "format_g722", "func_uuid", "app_chanspy",
)  # fmt: skip
OF_TRANSPORT = {
    "websocket": ("res_http_websocket", "res_websocket_client", "chan_websocket"),
    "audiosocket": ("res_audiosocket", "app_audiosocket", "chan_audiosocket"),
}
# Messages inside Asterisk that nobody here listens to. (The manager refuses to start without most of the others.)
DECLINED = (
    "ast_rtp_rtcp_sent_type", "ast_rtp_rtcp_received_type", "agi_exec_start_type", "agi_exec_end_type",
    "cel_generic_type", "ast_format_register_type", "ast_format_unregister_type",
)  # fmt: skip


def there(asterisk: Asterisk, needed: Iterable[str], if_there: Iterable[str] = ()) -> list[str]:
    """The files of those to load. Raises ConfigError naming all that are missing."""
    files = [f"{name}.so" for name in needed]
    missing = [file for file in files if not asterisk.has(file)]
    if missing:
        raise ConfigError(
            f"Asterisk {told(asterisk.version)} ({asterisk.source}) lacks {', '.join(missing)}: install them"
        )
    return [*files, *(f"{name}.so" for name in if_there if asterisk.has(f"{name}.so"))]
