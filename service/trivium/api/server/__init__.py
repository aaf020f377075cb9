"""How the service runs: a supervisor, below it one worker, and in its event loop one or two listeners.

The parent loads the application and forks the worker (`supervisor`). The worker opens the listeners, waits for the
signal to stop, and sees its running requests through (`worker`). A listener is an embedded granian server (`listener`).
"""
