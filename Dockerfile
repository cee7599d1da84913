# Build:  docker compose build    (or ./deploy.sh, which also says which commit it is)
# The base is named by its full version; whoever mirrors images may add a digest to both FROM lines.

FROM python:3.11.15-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/airtable-connector
# wheels only: an image that would need a compiler fails here, instead of shipping what it compiled
COPY requirements.txt requirements-build.txt ./
RUN /opt/airtable-connector/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements.txt \
    && python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements-build.txt
COPY pyproject.toml README.md ./
COPY deploy/build_info.py deploy/
COPY src src
ARG COMMIT=""
ARG BUILD_DATE=""
ARG DEPLOYED_BY=""
RUN python deploy/build_info.py "$COMMIT" "${BUILD_DATE:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}" "$DEPLOYED_BY" > src/airtable_connector/build_info.json
# built with the pinned build tools, which the environment that is shipped does not get
RUN python -m pip wheel --no-cache-dir --disable-pip-version-check --no-build-isolation --no-deps --no-index --wheel-dir dist . \
    && /opt/airtable-connector/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index dist/*.whl

FROM python:3.11.15-slim-bookworm
RUN groupadd --system --gid 10001 connector \
    && useradd --system --uid 10001 --gid connector --home-dir /data --no-create-home --shell /usr/sbin/nologin connector \
    && install -d -o connector -g connector -m 0700 /data
COPY --from=build /opt/airtable-connector /opt/airtable-connector
WORKDIR /app
COPY udc_config.json deploy/healthcheck.py ./
ENV PATH=/opt/airtable-connector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "/app/healthcheck.py", "8000"]
CMD ["airtable-connector", "serve"]
