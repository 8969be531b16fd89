"""The stages a request passes: stage table, context, request, response, modules, handlers, plans and the loop."""
