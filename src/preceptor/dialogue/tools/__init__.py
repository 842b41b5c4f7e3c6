"""Tools with something behind them: Python functions, an HTTP endpoint, an MCP server.

Promises: whatever goes wrong with a tool is a result told to the agent, short and without secrets; nothing but its
result is told; a run that is resumed calls nothing a second time that it has called.
"""
