# Targets `base`, what a trainer of one's own starts from (Python, and what reads images and writes ONNX), and `trainer`, which
# adds torch and Gyre's own. The framework is the trainer's choice:
#
#   FROM registry.example/gyre-trainer-base:0.1.0
#   COPY requirements.txt .
#   RUN pip install --requirement requirements.txt
#   COPY train.py .
#
# and in the pipeline `command: ['python', '/trainer/train.py']`. Inputs lie in $GYRE_INPUT; what is left in $GYRE_OUTPUT is kept.
ARG PYTHON_BASE
FROM ${PYTHON_BASE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    VIRTUAL_ENV=/venv PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp
# The user of the job owns the environment, so that a trainer's image need not switch users to install into it.
RUN python -m venv /venv && chown -R 65532:65532 /venv && install -d -o 65532 -g 65532 /trainer
USER 65532:65532
RUN pip install numpy==2.4.6 onnx==1.23.2 pillow==13.0.0
WORKDIR /trainer
CMD ["python"]

FROM base AS trainer
COPY apps/trainer/requirements.txt .
RUN pip install --requirement requirements.txt
COPY apps/trainer/*.py ./
