# avmatch with what a worker of a cluster needs: docker build -t avmatch .   (docs/cluster.md)
FROM python:3.11.14-slim-bookworm

WORKDIR /opt/avmatch
COPY pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt '.[ray,remote]' \
    && useradd --create-home --uid 1000 avmatch

USER 1000
WORKDIR /home/avmatch
ENV OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0

ENTRYPOINT ["avmatch"]
CMD ["--help"]
