"""The stages of a build, each in its module: images, translation, package, verification."""
