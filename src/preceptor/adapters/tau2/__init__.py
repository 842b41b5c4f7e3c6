"""tau2-bench, the real one: a taught student as one of its agents; its tasks, tools and simulated users for teaching.

Promises: the package `tau2` is imported when something here is used, and never needed otherwise; an agent looks at
tools, policy and messages, never at a task; what a task's gold actions are is read by tau2's own evaluators alone.

Written against the interfaces of sierra-research/tau2-bench as of its agent factories (2026).
"""
