"""Bug: writes the receipt again when there is nothing to do."""

from .publisher import Publisher


class RewritesReceipt(Publisher):
    def on_unchanged(self) -> None:
        super().on_unchanged()
        self.write_receipt(self.current.resolve())


if __name__ == "__main__":
    RewritesReceipt.main()
