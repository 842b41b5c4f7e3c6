"""`preceptor library`: look at what was learned, decide what may be used, release it, take it elsewhere."""

import typer

from preceptor.cli.library import decide, exchange, forget, look, measure

app = typer.Typer(help="What was learned: look, decide, release, export.", no_args_is_help=True)
app.command("list")(look.list_)
app.command()(look.show)
app.command()(look.diff)
app.command()(decide.approve)
app.command()(decide.reject)
app.command()(decide.edit)
app.command()(measure.measure)
app.command()(decide.release)
app.command()(decide.rollback)
app.command()(forget.forget)
app.command()(exchange.export)
app.command("import")(exchange.import_)
app.command()(look.lint)
