"""The hub: many boards, one model, nothing lost.

`service.Hub` decides, `lines` brings boards to it, `policy` says when a round is over, `tell`
writes down what happens.  What is durable is `paebiru.store`'s and `paebiru.federated.durable`'s.
"""
