"""Django's collectstatic. collect.py <source> <endpoint | folder>"""
import os
import sys

source, target = sys.argv[1:3]
remote = target.startswith("http")
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["django.contrib.staticfiles"],
    STATICFILES_DIRS=[source],
    STATIC_URL="/static/",
    STATIC_ROOT=None if remote else target,
    STATICFILES_STORAGE="peer.Manifest" if remote else "peer_local.Manifest",
    AWS_ACCESS_KEY_ID="bench",
    AWS_SECRET_ACCESS_KEY="bench",
    AWS_STORAGE_BUCKET_NAME="static",
    AWS_S3_ENDPOINT_URL=target if remote else None,
    AWS_S3_REGION_NAME="us-east-1",
    AWS_S3_ADDRESSING_STYLE="path",
    AWS_DEFAULT_ACL=None,
    USE_TZ=True,
)
sys.path.insert(0, os.path.dirname(__file__))
django.setup()
call_command("collectstatic", interactive=False, verbosity=1)
