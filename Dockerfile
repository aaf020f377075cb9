# Both stages stand on one base: any image whose `python3` is 3.11 or newer and has the venv module.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS builder

# For a build that reaches its packages by another road than pip's own; the final stage never sees them.
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

RUN python3 -m venv /opt/trivium
ENV PATH=/opt/trivium/bin:${PATH}

WORKDIR /src
# The dependencies first: they change less often than the service, so most builds reuse this layer.
COPY requirements/image.txt requirements/image.txt
RUN pip install --require-hashes -r requirements/image.txt

COPY pyproject.toml README.md LICENSE ./
COPY service service
# The lock brings the build backend, so nothing unlocked is fetched; pip itself has no work at run time.
RUN pip install --no-deps --no-build-isolation . && pip uninstall --yes pip

FROM ${BASE}

COPY --from=builder /opt/trivium /opt/trivium

# The root file system may be read-only, so no byte code is written at run time; the log goes out line by line.
ENV PATH=/opt/trivium/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    TRIVIUM_MANAGEMENT_PORT=9000

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Trivium" \
      org.opencontainers.image.description="Prompt engineering, retrieval, fine-tuning, or both: a recommendation service with reasons." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# A number, because Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
# The service, and what machines ask for: /livez, /readyz and /metrics. The second is for no caller from outside.
EXPOSE 8000 9000
STOPSIGNAL SIGTERM
# For Docker and Compose; Kubernetes ignores it and has probes of its own. Not urllib, which would ask a proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["python3", "-c", "\
import http.client, os, sys; \
port = int(os.environ['TRIVIUM_MANAGEMENT_PORT']) or int(os.environ['PORT']); \
service = http.client.HTTPConnection('127.0.0.1', port, timeout=3); \
service.request('GET', '/readyz'); \
sys.exit(service.getresponse().status != 200)"]
ENTRYPOINT ["trivium"]
CMD ["serve"]
