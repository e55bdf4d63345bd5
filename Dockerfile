# The image of a worker: `docker build -t checkpoint .`, then `docker run checkpoint worker KIND`.
# Another package index is named by `--build-arg PIP_INDEX_URL=https://…`; it is not kept.

FROM python:3.11-slim AS build
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheel . \
 && python -m venv --without-pip /opt/checkpoint \
 && pip --python /opt/checkpoint/bin/python install "$(ls /wheel/*.whl)[metrics]"

FROM python:3.11-slim
RUN useradd --system --create-home --shell /usr/sbin/nologin checkpoint
COPY --from=build /opt/checkpoint /opt/checkpoint
ENV PATH=/opt/checkpoint/bin:$PATH PYTHONUNBUFFERED=1
USER checkpoint
WORKDIR /home/checkpoint
ENTRYPOINT ["checkpoint"]
CMD ["--help"]
