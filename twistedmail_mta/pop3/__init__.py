"""POP3 as a state machine without input or output: grammar, states, responses."""
