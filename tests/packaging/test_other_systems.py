"""Every module can be imported where there are no POSIX modules, functions and signals, as on Windows."""

import subprocess
import sys

# Absent from Python on Windows. Other packages are imported before these go: they have their own ways around.
SCRIPT = """
import importlib, os, pkgutil, signal, socket, sys
import tapehead

names = ["tapehead", *(each.name for each in pkgutil.walk_packages(tapehead.__path__, "tapehead."))]
names = [name for name in names if name != "tapehead.__main__"]
for name in names:
    importlib.import_module(name)

for name in [name for name in sys.modules if name.partition(".")[0] == "tapehead"]:
    del sys.modules[name]
for name in "fcntl grp posix pty pwd readline resource syslog termios tty uvloop".split():
    sys.modules[name] = None
for name in '''
    O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC WNOHANG chown chroot fchdir fchmod fchown
    fdatasync fork forkpty getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getresuid getsid
    getuid initgroups killpg lchown lockf major minor mkfifo mknod nice openpty pidfd_open pipe2 posix_fadvise
    posix_fallocate posix_spawn pread preadv pwrite pwritev readv register_at_fork sched_getaffinity sched_yield
    sendfile setgid setsid setuid statvfs sync sysconf tcgetpgrp uname wait wait3 wait4 waitid writev
'''.split():
    if hasattr(os, name):
        delattr(os, name)
for name in list(vars(signal)):
    known = "SIGABRT SIGFPE SIGILL SIGINT SIGSEGV SIGTERM SIG_DFL SIG_IGN".split()
    functions = ("alarm", "getitimer", "pause", "pthread_", "setitimer", "siginterrupt", "sigtimed", "sigwait")
    if name.startswith(functions) or (name.startswith("SIG") and name not in known):
        delattr(signal, name)
for name in ("AF_UNIX", "SO_REUSEPORT", "socketpair_unix", "send_fds", "recv_fds", "MSG_DONTWAIT", "SCM_RIGHTS"):
    if hasattr(socket, name):
        delattr(socket, name)

failed = []
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        failed.append(f"{name}: {type(error).__name__}: {error}")
print(len(names), *failed, sep="\\n")
"""


def test_every_module_is_imported_without_what_windows_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    count, *failed = done.stdout.splitlines()

    assert failed == []
    assert int(count) > 150
