from peer_local import Forgiving
from storages.backends.s3boto3 import S3ManifestStaticStorage


class Manifest(Forgiving, S3ManifestStaticStorage):
    pass
