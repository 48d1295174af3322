__version__ = "0.1.0"

def load_ipython_extension(ip):
    "`%load_ext camels`: the `%camels` magic."
    from camels.apps.magic import load_ipython_extension as load
    load(ip)

def unload_ipython_extension(ip):
    from camels.apps.magic import unload_ipython_extension as unload
    unload(ip)
