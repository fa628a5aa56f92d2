"""Run trytond with a clock that can be set: the file of EMBUDO_TRYTON_CLOCK says seconds to add.

Runs inside Tryton's own virtual environment. A demo company's history of two years is then made
through Tryton's API like any other, in minutes.
"""

import datetime as dt
import os
import sys
from pathlib import Path
from weakref import WeakKeyDictionary

import trytond.config as config
from trytond import commandline

CLOCK = Path(os.environ["EMBUDO_TRYTON_CLOCK"])


def now():
    """Tryton's present instant, as it writes it: UTC without a zone."""
    ahead = dt.timedelta(seconds=float(CLOCK.read_text(encoding="ascii")))
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) + ahead


def main():
    """As `trytond`, but SQLite's NOW() and Tryton's today are ``now``."""
    options = commandline.get_parser_daemon().parse_args()
    config.update_etc(options.configfile)
    # after the configuration, which says which database it is
    from trytond.backend.sqlite import database  # noqa: PLC0415
    from trytond.cli import main as serve  # noqa: PLC0415
    from trytond.ir.date import Date  # noqa: PLC0415

    seen = WeakKeyDictionary()

    def once_a_transaction():
        transaction = database.Transaction()
        mine = seen.setdefault(transaction, {})
        text = now().isoformat(" ", timespec="microseconds")
        return mine.setdefault(transaction.started_at, text)

    database.now = once_a_transaction
    Date.today = staticmethod(lambda **_: now().date())
    serve()


if __name__ == "__main__":
    sys.exit(main())
