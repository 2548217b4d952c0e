"""Under which heading `tipstream --help` shows a command, in this order."""

RUN = "Run"
EVENTS = "Events"
LOG = "The log and what is made of it"
QUESTIONS = "Questions"
MODELS = "Models"
ACCESS = "Access"
ONE_PROCESS = "One process alone; `up` starts them all"
