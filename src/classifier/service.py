"""What an execution environment keeps between requests."""

from dataclasses import dataclass, replace
from typing import Any, Self

from classifier.config import Settings
from classifier.fetch.download import Downloader
from classifier.fetch.sources import Fetcher
from classifier.image.tensor import Limits, use_threads
from classifier.model.network import Model
from classifier.pipeline import Pipeline
from classifier.s3.client import S3Client


@dataclass(frozen=True)
class Service:
    """The settings, the network and the pipeline, made once."""

    settings: Settings
    model: Model
    pipeline: Pipeline

    @classmethod
    def create(cls, settings: Settings, model: Model, s3: S3Client) -> Self:
        """The service with ``model``. Its images come through the same client as its bundle."""
        use_threads(settings.threads)
        return cls(settings, model, _pipeline(settings, model, s3))

    def reconnected(self, s3: S3Client) -> Self:
        """The same service with new connections, for a restored snapshot."""
        return replace(self, pipeline=_pipeline(self.settings, self.model, s3))

    @property
    def model_info(self) -> dict[str, dict[str, Any]]:
        """The member ``model`` of an answer."""
        manifest = self.model.manifest
        info = {"name": manifest.name, "version": manifest.version}
        if manifest.description:
            info["description"] = manifest.description
        return {"model": info}

    @property
    def health(self) -> dict[str, Any]:
        """The answer of ``/health``."""
        licence = self.model.manifest.licence
        health = {"status": "ok", "classes": len(self.model.labels)} | self.model_info
        return health | ({"licence": licence} if licence else {}) | self.model.sizes.describe()


def _pipeline(settings: Settings, model: Model, s3: S3Client) -> Pipeline:
    downloader = Downloader(
        allowed_hosts=settings.allowed_url_hosts,
        private_hosts=settings.private_url_hosts,
        max_bytes=settings.max_image_bytes,
        user_agent=settings.user_agent,
    )
    limits = Limits(settings.max_image_bytes, settings.max_image_pixels, settings.memory_bytes)
    return Pipeline(Fetcher(settings, downloader, s3), model, limits, settings.threads)
