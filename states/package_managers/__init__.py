"""The databases of dpkg, rpm, and apk: which package of the distribution owns a file."""
