# One image for every process; compose.yaml gives each its command.
FROM python:3.11-slim

WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --uid 10001 --create-home tipstream \
    && install -d -o tipstream -m 0700 /data /data/nats

USER tipstream
ENV PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    TIPSTREAM_HOME=/data
VOLUME /data
EXPOSE 8000 9494
CMD ["tipstream", "--help"]
