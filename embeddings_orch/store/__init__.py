"""Everything that is kept, as Lance tables; only this package knows LanceDB."""

from embeddings_orch.store.store import Store as Store
