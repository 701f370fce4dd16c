"""tapehead for stock mitmproxy tools, which load this file as a script; `tapehead addon-path` prints its path.

tapehead has to be installed where the mitmproxy tool is.
"""

from tapehead.mitmproxy_script.addon import OptionsAddon

addons = [OptionsAddon()]
