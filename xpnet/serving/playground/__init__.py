"""The playground: a small network on points in the plane, and all that the page pages/playground asks of it.

A State (state.py) says everything: the points (points.py), the network (network.py) and how it is trained. A Lab
(lab.py) has what was made of it; maps.py, phases.py, script.py and saved.py show it, take one step apart, write it as a
script, and keep it in a file. session.py answers the page.
"""
