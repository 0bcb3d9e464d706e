"""Beyond one machine: runs carried out by workers of a Ray cluster, named by SYNTHSTUDIO_CLUSTER.

The owner launches a courier for a run, a process here that is to it what a worker is: it holds the run, beats, stops,
writes the log and the blobs. The courier hires workers on the cluster, sends by content what the Step names, and takes
in by content what they made. On the other side a node carries the run out with the worker of everybody, in a folder of
its own.

    owner (jobs/studio) → courier → rays ⇢ rays → node → worker

address: what SYNTHSTUDIO_CLUSTER says. launcher: the owner's way to couriers. parcels: what a Step needs, and sending
it. node: one worker's side. rays: the only file that imports ray.
"""
