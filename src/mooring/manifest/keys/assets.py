"""The keys of assets: static files that a bucket serves. Their defaults are the model's. Must not: read a file, or know a bucket."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.kinds.numbers import Duration, Flag
from mooring.manifest.kinds.texts import Text
from mooring.model.assets import KEY_ID, KEY_SECRET, URL, AssetSettings

_SETTINGS = AssetSettings(path="", bucket="")
_FOLDER = r"\A(?!/(?:/|\Z))(?!.*(?:^|/)\.\.(?:/|$))[^\x00-\x1f\x7f\\]{1,200}\Z"
_FOLDER_RULE = "a folder is named from the top of what is built, without .., or in an image with a / before it"
_BUCKET = r"\A[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z"
_ADDRESS = r"\Ahttps?://[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]{0,500})?\Z"
_ADDRESS_RULE = "an address begins with https:// or http:// and a host, and holds neither a password nor a question mark"
_MONTHS = 400 * 86_400
SAY_BUCKET = 'say where they go: bucket = "NAME", or leave [assets] out'

ASSETS = Section(
    path="assets",
    noun="a table about assets",
    summary="static files that a bucket serves, so that pages of the old release load theirs after the switch",
    text="After the build and before anything moves, the files that are not there yet are pushed below `APP/ENVIRONMENT/`, eight "
    f"at a time; when that fails, the deployment fails. Mooring uses the secrets {KEY_ID} and {KEY_SECRET} of the environment, which "
    f"the app's processes are not given; they find in `{URL}` where their files are. What no release that serves needs any more is removed "
    "after a while: only what Mooring's own list in the bucket says it pushed.",
    keys=(
        Key(
            path="assets.path",
            kind=Text(noun="a folder", pattern=rf"\A\Z|{_FOLDER}", rule=_FOLDER_RULE, may_be_empty=True),
            summary="the folder that is pushed, as it is after the build",
            text="Plain files, in folders of any depth; a link in it is refused. In an image it begins at the WORKDIR, or at the image's "
            'top with a / before it: "/srv/www". An empty text pushes nothing, for environments that have no bucket.',
            default_text="nothing is pushed",
            fix='write it like path = "public/assets"',
            example='[assets]\npath = "public/assets"\nbucket = "shop-assets"',
        ),
        Key(
            path="assets.bucket",
            kind=Text(noun="a bucket", pattern=_BUCKET, rule="a bucket's name has 3-63 characters a-z, 0-9, . and -"),
            summary="the bucket they go to",
            text="It has to be there, and to let browsers read.",
            example='[assets]\npath = "public/assets"\nbucket = "shop-assets"',
        ),
        Key(
            path="assets.endpoint",
            kind=Text(noun="an address", pattern=_ADDRESS, rule=_ADDRESS_RULE),
            summary="the S3 endpoint that has the bucket",
            default_text="Amazon's, of the region",
            example='[assets]\npath = "dist"\nbucket = "shop-assets"\nendpoint = "https://s3.example.com"',
        ),
        Key(
            path="assets.region",
            kind=Text(noun="a region", pattern=r"\A[a-z0-9-]{1,40}\Z", rule="a region has letters a-z, digits and dashes"),
            summary="the endpoint's region",
            default=_SETTINGS.region,
            example='[assets]\npath = "dist"\nbucket = "shop-assets"\nregion = "eu-central-1"',
        ),
        Key(
            path="assets.url",
            kind=Text(noun="an address", pattern=_ADDRESS, rule=_ADDRESS_RULE),
            summary="where browsers find the bucket, such as a CDN before it",
            default_text="the endpoint and the bucket",
            example='[assets]\npath = "dist"\nbucket = "shop-assets"\nurl = "https://cdn.example.com"',
        ),
        Key(
            path="assets.keep",
            kind=Duration(most=_MONTHS),
            summary="how long files stay that the release which serves does not need",
            text="For pages that are open still. One that comes back by `mooring rollback` pushes its files again.",
            default=_SETTINGS.keep,
            example='[assets]\npath = "dist"\nbucket = "shop-assets"\nkeep = "30d"',
        ),
        Key(
            path="assets.hashed_names",
            kind=Flag(),
            summary="whether the build puts a digest of each file's content into its name, as Vite, webpack and Rails do",
            text="Then all releases share one folder, and only new files are pushed; a name that gets another content is refused. "
            f"Otherwise each tree of files has a folder of its own, named after its content, and `{URL}` names that.",
            default=_SETTINGS.hashed_names,
            example='[assets]\npath = "dist/assets"\nbucket = "shop-assets"\nhashed_names = true',
        ),
    ),
)
