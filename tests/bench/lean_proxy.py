"""The lean mitmproxy of `tapehead record` as a reverse proxy without our addons: the rest of `record` is on top of it.

cd tests && python -m bench.lean_proxy URL
"""

import asyncio
import logging
import sys

from mitmproxy import options
from mitmproxy.addons import core, next_layer, proxyserver, tlsconfig

from tapehead.internal_errors import InternalErrors
from tapehead.proxy.hook_dispatch import LeanMaster
from tapehead.proxy.inline_hooks import InlineHooks
from tapehead.proxy.unchecked_messages import unchecked_messages


async def run(url: str) -> None:
    """Run until it is ended."""
    proxy, server = LeanMaster(options.Options()), proxyserver.Proxyserver()
    inline = InlineHooks(server, proxy.addons, InternalErrors())
    proxy.addons.add(core.Core(), server, next_layer.NextLayer(), tlsconfig.TlsConfig(), inline)
    proxy.options.update(
        mode=[f"reverse:{url}"], listen_host="127.0.0.1", listen_port=0, connection_strategy="lazy", upstream_cert=False
    )
    with unchecked_messages():
        await proxy.run()


if __name__ == "__main__":
    logging.basicConfig()
    asyncio.run(run(sys.argv[1]))
