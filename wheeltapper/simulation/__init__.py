"""Simulated machines and faults, whose truth is known.

Nothing here knows what a pump is. An asset type brings ``PHYSICS`` (`wheeltapper.assets.Physics`): its timetable, the
outer influences on it, and one function ``respond(drivers)`` that returns the values of its sensors. The rest is here,
in layers that never look at each other's random numbers:

1. `regimes`: the timetable sets the regime and the load;
2. `signals`: demand, weather and measurement wander, equally at every sampling rate;
3. `lookalikes`: now and then something happens that looks like a fault and is none;
4. ``respond``: the machine answers (in ``assets/``);
5. `faults`: some stretches are damaged, in an exact share of the rows, and counters count up;
6. `sensor_faults`: some sensors of a healthy machine show wrong values;
7. `fleet`: values stay within the sensors' limits, some go missing, some readings come late or never, and rows of a
   table come out.

So the same machine without faults (``anomaly_rate: 0``) is the twin to compare with, and machine 3 stays the same
whether the fleet has 3 machines or 300.

The simulation shows that a pipeline works, and which faults a detector misses. It is no evidence that a detector will
find the faults of a real plant: a person has written down every effect beforehand.
"""
