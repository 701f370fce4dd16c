"""The wire: routes, hosts, messages, exchanges, events, parameters, schemas and the session machine. No I/O."""
