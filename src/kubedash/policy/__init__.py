"""Pure decisions: who may do what, how fresh a picture is."""
