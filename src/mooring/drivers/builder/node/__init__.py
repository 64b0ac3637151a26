"""The builder of Node.js apps: what `npm ci` installs, shared by all who have the same lock, and the app's own build script."""
