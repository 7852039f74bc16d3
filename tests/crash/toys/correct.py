"""No bug."""

from .publisher import Publisher

if __name__ == "__main__":
    Publisher.main()
