"""How gunicorn serves minitwit; read by gunicorn from the working directory.

It must not choose the address: that is in the Procfile, where the platform's PORT arrives.
"""

import os
import shutil
import tempfile

# The workers of this master add up their counters here. Set before prometheus_client is imported: it looks once.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="minitwit-metrics-")

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4

# Requests under way at SIGTERM may take this long (seconds) to finish.
graceful_timeout = 30

# Longer than a proxy keeps an idle connection, so that the proxy closes it and never sends into a closing one.
keepalive = 75

# One socket per user account by default: two releases side by side would fight for it.
control_socket_disable = True

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "minitwit.logs.JsonLines"}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stdout"], "propagate": False},
        # Our own "request" line says more than gunicorn's access log.
        "gunicorn.access": {"level": "CRITICAL", "handlers": ["stdout"], "propagate": False},
    },
}


def child_exit(server, worker):
    """Forget the gauges of a worker that is gone; its counters stay in the sum."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
