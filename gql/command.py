"""The command line. `tillstream --help` says what there is; an error is one line that says the mend."""

import asyncio
import sys
from collections.abc import Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

app = typer.Typer(
    name="tillstream",
    help="A self-hosted, reactive backend for small businesses: one GraphQL API on MongoDB in which every query can be live.",
    epilog="Settings are TILLSTREAM_* variables: see docs/settings.md. Start with `tillstream dev`, then open the address it prints.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
console = Console(stderr=True)
T = TypeVar("T")

Port = Annotated[
    int | None,
    typer.Option(
        help="The TCP port to listen on. In dev another free one is taken where it is in use; 0 is any free one.", min=0, max=65535
    ),
]
Host = Annotated[str | None, typer.Option(help="The address to listen on. 0.0.0.0 is every interface of the machine.")]


@app.command()
def dev(
    *,
    host: Host = None,
    port: Port = None,
    reload: Annotated[bool, typer.Option(help="Restart the server when a source file changes. MongoDB and S3 keep running.")] = True,
    seed: Annotated[bool, typer.Option("--seed", help="Make the demo shop first, where there is none yet.")] = False,
) -> None:
    """Serve on this machine, with an own MongoDB and S3 store where none are set.

    Data is kept under `.tillstream/`; Ctrl-C stops everything that was started.
    """
    from gql.dev import run_dev

    _run(run_dev(_settings(host, port), reload=reload, seed=seed))


@app.command()
def serve(
    *,
    host: Host = None,
    port: Port = None,
    fd: Annotated[int | None, typer.Option(help="A listening socket that is open already, by its file descriptor.", hidden=True)] = None,
) -> None:
    """Serve against the MongoDB and the S3 store that the settings name. Run `tillstream migrate` first."""
    import socket

    from gql.serving import run_server

    _run(run_server(_settings(host, port), socket.socket(fileno=fd) if fd is not None else None))


@app.command()
def worker() -> None:
    """Carry out jobs (mail, exports, what runs by the clock), and nothing else. `serve` does so beside serving, unless told not to.

    Any number may run beside each other. SIGTERM lets jobs under way finish for some seconds, and gives the others back.
    """
    from gql.working import run_worker

    _run(run_worker(_settings()))


@app.command()
def migrate() -> None:
    """Make the collections, validators and indexes that the tables declare; print what was done.

    Safe to run at any time, on a database in use, and twice. Refuses, with a list, where stored rows do not fit.
    """
    from gql.operations import run_migrate

    _run(run_migrate(_settings()))


@app.command()
def schema(
    *, output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file instead of printing.")] = None
) -> None:
    """Print the GraphQL schema (SDL)."""
    from gql.schema import build_schema

    text = f"{build_schema()}\n"
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@app.command()
def seed(
    *,
    products: Annotated[int, typer.Option(help="How many products the shop sells.", min=1, max=100_000)] = 200,
    sales: Annotated[int, typer.Option(help="How many sales it has made.", min=0, max=10_000_000)] = 2_000,
    months: Annotated[int, typer.Option(help="Over how many months they are spread.", min=1, max=120)] = 6,
    until: Annotated[
        datetime | None, typer.Option(help="The last day of them; yesterday, where it is left out.", formats=["%Y-%m-%d"])
    ] = None,
    email: Annotated[str, typer.Option(help="The e-mail address to sign in with.")] = "demo@tillstream.example",
    password: Annotated[str, typer.Option(help="The password to sign in with.")] = "demo-password",  # noqa: S107  printed for everybody to use
) -> None:
    """Fill a believable demo shop with products and months of trade, and print how to sign in to it.

    Where the address has an account already, its shop is filled up to these numbers; what was interrupted goes on where it stopped.
    """
    from gql.operations import DemoShop, run_seed

    last_day = None if until is None else until.date()
    _run(run_seed(_settings(), DemoShop(products, sales, months, last_day, email, password)))


@app.command()
def rotate_keys() -> None:
    """Make a new key that signs access tokens from the next start on. Tokens of the keys before stay good until they end."""
    from datastore.secrets import rotate_signing_key
    from datastore.settings import SettingsError

    try:
        path = rotate_signing_key(_settings())
    except SettingsError as error:
        _fail(str(error))
    console.print(f"{path} has a new key; restart the server to sign with it.", highlight=False, soft_wrap=True)


@app.command()
def verify(
    *,
    account: Annotated[str | None, typer.Option(help="The id of the one account to look at; all, where it is left out.")] = None,
    files: Annotated[bool, typer.Option("--files", help="Hold the files against what is in the file store, instead of the books.")] = False,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="With --files: delete what belongs to no file for two days, and mark files without bytes as lost."),
    ] = False,
) -> None:
    """Hold everything that is stored against everything else, and print what does not add up.

    Stock and movements, sales and their items, refunds, numbers, the ledger, counts, sums, references, currencies. It reads while the shops
    trade on, and changes nothing but with --mend. The exit code is 1 where there is a finding.
    """
    from gql.operations import run_verify, run_verify_files

    if mend and not files:
        _fail("--mend goes with --files")
    work = run_verify_files(_settings(), account, mend=mend) if files else run_verify(_settings(), account)
    if not _run(work):
        raise typer.Exit(1)


def main() -> None:
    """The console script."""
    app()


def _settings(host: str | None = None, port: int | None = None) -> Any:
    from datastore.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        _fail(str(error))
    given = {"host": host, "port": port}
    return settings.model_copy(update={name: value for name, value in given.items() if value is not None})


def _run(work: Coroutine[Any, Any, T]) -> T:
    import uvloop

    from datastore.errors import TillstreamError
    from datastore.migrate import MigrationRefusedError
    from datastore.processes import EmbeddedServerError
    from datastore.settings import SettingsError

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except TillstreamError as error:
        _fail(error.message)
    except (EmbeddedServerError, MigrationRefusedError, SettingsError, OSError) as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    console.print(f"[bold red]tillstream:[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    main()
